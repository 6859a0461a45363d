import { execFile } from 'node:child_process'
import { chown, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { serverUser, temporaryDirectory } from './postgres'

const run = promisify(execFile)
const DAYS = '2'

export interface Certificates {
  /** Path of the certificate of an authority of our own. */
  ca: string
  /** Path of one that has signed nothing here. */
  otherCa: string
  /** Settings of a server that has a certificate for `name`, signed by `ca`. */
  settings: Record<string, string>
  remove(): Promise<void>
}

export const hasOpenssl = (): Promise<boolean> => run('openssl', ['version']).then(() => true, () => false)

/** Makes an authority and a server's certificate for the DNS name `name`. */
export async function makeCertificates(name: string): Promise<Certificates> {
  const root = await temporaryDirectory()
  const { uid, gid } = await serverUser()
  const at = (file: string) => join(root, file)
  const openssl = (...args: string[]) => run('openssl', args, { cwd: root })
  for (const authority of ['ca', 'other']) {
    await openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', DAYS,
      '-subj', `/CN=${authority} of the tests`, '-keyout', at(`${authority}.key`), '-out', at(`${authority}.crt`))
  }
  await openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`, '-keyout', at('server.key'), '-out', at('server.csr'))
  await writeFile(at('names'), `subjectAltName=DNS:${name}\n`)
  await openssl('x509', '-req', '-in', at('server.csr'), '-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', DAYS, '-extfile', at('names'), '-out', at('server.crt'))
  if (uid !== undefined && gid !== undefined) {
    for (const path of [root, at('server.key'), at('server.crt')]) await chown(path, uid, gid)
  }
  return {
    ca: at('ca.crt'),
    otherCa: at('other.crt'),
    settings: { ssl: 'on', ssl_cert_file: at('server.crt'), ssl_key_file: at('server.key') },
    remove: () => rm(root, { recursive: true, force: true }),
  }
}
