/** Whether what goes to and fro cannot be read on its way: it is encrypted, or does not leave the machine. */
export function isUnreadable(address: string): boolean {
  const { protocol, hostname } = new URL(address);
  return protocol === 'https:' || hostname === 'localhost' || hostname === '[::1]' || /^127\.[0-9.]+$/.test(hostname);
}
