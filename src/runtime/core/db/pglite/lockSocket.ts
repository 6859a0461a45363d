import { once } from 'node:events'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Interface } from 'node:readline'

// The least that a system takes is 104 bytes, with a NUL at the end.
const MAX_PATH_BYTES = 100

/** Windows has pipes instead, which lie in no directory. */
const isWindows = process.platform === 'win32'

/** A connection to the process behind a claim, or the code of the error. */
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

/** What comes over a connection, line by line. A connection that breaks is ended; unheard, its error would end the process. */
export const linesOf = (socket: Socket): Interface => createInterface({ input: socket }).on('error', () => socket.destroy())

/** Listens at a path, at a pipe, or, where the file system takes no sockets, nowhere. */
export async function listenAt(server: Server, path: string, stamp: string): Promise<'path' | 'pipe' | 'nowhere'> {
  try {
    await shortly(addressOf(path, stamp), async (short) => {
      // Of this process alone, also among the workers of a cluster.
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

/** The path of a socket is shorter than that of a file may be: a long one is reached by a link that lives for a moment. */
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
