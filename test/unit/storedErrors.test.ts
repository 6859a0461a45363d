import { describe, expect, it } from 'vitest'
import { describeError } from '../../src/runtime/core/consumers/attempt'

const kept = (message: string) => (JSON.parse(describeError(new Error(message))) as { message: string, stack: string })
const secret = 'Tr0ub4dor3Tr0ub4dor3'

describe('what is kept of an error', () => {
  it.each([
    `redis://:${secret}@cache/0`, `https://${secret}@github.com/a/b`, `https://api/x?access_token=${secret}&a=1`, `https://api/x?key=${secret}`, `https://api/x?sig=${secret}`,
    `{"body":"{\\"password\\":\\"${secret}\\"}"}`, `{"password":"a\\"${secret}"}`, `AWS_SECRET_ACCESS_KEY=${secret}`, `secretKey: "${secret}"`, `accessKey: \`${secret}\``,
    `{"privateKey":"${secret}"}`, `passphrase=${secret}`, `DB_PASS=${secret}`, `credentials: '${secret}'`, `tokens: ['${secret}']`, `Map(1) { 'password' => '${secret}' }`,
    `password%3D${secret}`, `cookie: a=1; session=${secret}`, `Authorization: Token ${secret}`, `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----`,
    `Incorrect API key provided: sk-${secret}`, `bad ghp_${secret}`, `jwt eyJhbGciOiJIUzI1NiJ9.${secret}.${secret} malformed`, `pass\0word=${secret}`,
  ])('has no secret: %s', (message) => {
    const { message: text, stack } = kept(message)
    expect(text + stack).not.toContain(secret)
  })

  it.each(['the token expired', 'compass: north', 'tokens used: 500', 'Unexpected token } in JSON at position 5', 'signature mismatch', 'mail ann@example.com refused'])('is whole: %s', (message) => {
    expect(kept(message).message).toBe(message)
  })
})
