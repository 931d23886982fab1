// Prisma's command still looks for its native schema engine at each call, although `generate` does not use it and the
// download fails without internet. Naming any executable satisfies it.
process.env['PRISMA_SCHEMA_ENGINE_BINARY'] ??= process.execPath;

export default { schema: '../prisma/schema.prisma' };
