/** RFC 6749 §3.3: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`, one space between two of them. */
const TOKEN = '[\\x21\\x23-\\x5b\\x5d-\\x7e]+';
const SCOPE = new RegExp(`^${TOKEN}(?: ${TOKEN})*$`);
const WORD = new RegExp(`^${TOKEN}$`);

export function isScope(text: string): boolean {
  return SCOPE.test(text);
}

/** Whether a value may stand in a scope: it adds no word of its own, and does not leave one out. */
export function isWord(text: string): boolean {
  return WORD.test(text);
}
