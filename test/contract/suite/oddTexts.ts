/** Texts that have broken somebody's database code, and that are plain texts here. */
export const oddTexts = [
  `'; drop table nvent_kv; --`, `"; drop table "nvent_kv"; --`, `\\'; select 1; --`, `') or 1=1 --`, `}'; drop table nvent_flows; --`,
  `'`, `"`, '\\', '\\\\', '%', '_', '%_\\', '$1', '$$', '$nvent$', '/*', '*/', '--', ';', ')', '(', '?', ':a', '@>', '#>>', '{prefix}', '{schema}', '{0}', '${x}',
  '🐘', '🏳️‍🌈', 'e\u0301', '\u202E', '\uFEFF', '\uFFFF', '\u0001', '\u007F', '\u2028', '\n', '\r\n', '\t', ' ',
  '__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty', 'toJSON', 'then', 'length', '__defineGetter__',
  'null', 'undefined', 'NaN', 'true', '[object Object]', '0', '-1', '1e3', '0x10', '\\u0000', '\\ud800', `E'\\x41'`,
  'tenant_id', 'subject', 'key', 'value', 'score', 'seq', 'rest', 'metadata', 'data', 'run_id', 'flow_name', 'expires_at', 'run_id" = \'\' or "', '{a,b}', '[1]', '{}',
]

/** 1 MB, which does not get shorter when it is compressed. */
export const megabyte = Array.from({ length: 2 ** 20 }, (_, at) => String.fromCharCode(35 + (at * 2654435761 >>> 7) % 57)).join('')

/** An object with these members, `__proto__` among them if need be. */
export function objectOf(members: [name: string, value: unknown][]): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  for (const [name, value] of members) {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
  }
  return object
}
