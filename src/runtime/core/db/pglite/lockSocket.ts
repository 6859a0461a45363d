import { once } from 'node:events'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Interface } from 'node:readline'

// The shortest limit of an operating system is 104 bytes including a NUL.
const MAX_PATH_BYTES = 100

/** Windows has named pipes instead, which are not files in a directory. */
const isWindows = process.platform === 'win32'

/** A connection to the process that owns a claim, or the code of the error. */
export function dial(path: string, stamp: string): Promise<Socket | string> {
  return shortly(addressOf(path, stamp), short => new Promise<Socket | string>((resolve) => {
    const socket = connect(short)
    socket.on('error', (error: NodeJS.ErrnoException) => {
      resolve(String(error.code))
      socket.destroy()
    })
    socket.once('connect', () => resolve(socket))
  })).catch((error: NodeJS.ErrnoException) => String(error.code))
}

/** The lines received on a connection. An error closes the connection; without a listener it would end the process. */
export const linesOf = (socket: Socket): Interface => createInterface({ input: socket }).on('error', () => socket.destroy())

/** Listens on a path or on a pipe; `nowhere` when the file system does not support sockets. */
export async function listenAt(server: Server, path: string, stamp: string): Promise<'path' | 'pipe' | 'nowhere'> {
  try {
    await shortly(addressOf(path, stamp), async (short) => {
      // Not shared among the workers of a cluster.
      server.listen({ path: short, exclusive: true }).unref()
      await once(server, 'listening')
    })
    return isWindows ? 'pipe' : 'path'
  }
  catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw error
    return 'nowhere'
  }
}

const addressOf = (path: string, stamp: string) => isWindows ? `\\\\.\\pipe\\nvent-store-${stamp}` : path

/** Socket paths have a lower length limit than file paths: a longer path is accessed through a temporary link. */
async function shortly<T>(path: string, use: (path: string) => Promise<T>): Promise<T> {
  if (isWindows || Buffer.byteLength(path) <= MAX_PATH_BYTES) return use(path)
  const place = await mkdtemp(join(tmpdir(), 'nvs-'))
  try {
    await symlink(dirname(path), join(place, 'd'))
    return await use(join(place, 'd', basename(path)))
  }
  finally {
    await rm(place, { recursive: true, force: true })
  }
}
