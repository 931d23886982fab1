import { hash } from 'node:crypto';

/** SHA-256 of the text's UTF-8, in hex. In one go: what makes many needs no object for each. */
export const sha256Hex = (text: string): string => hash('sha256', text, 'hex');
