// What a terminal obeys instead of showing it: C0 and C1 controls, and marks that turn the direction of text around.
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/g
const IN_LINES = new Set(['\n', '\t'])

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** Data of users in a line of text: whatever it holds, it is shown and not obeyed. */
export const visible = (text: string): string => text.replace(CONTROLS, escaped)

/** The same for text that may have lines and columns. */
export const visibleLines = (text: string): string =>
  text.replace(CONTROLS, character => IN_LINES.has(character) ? character : escaped(character))
