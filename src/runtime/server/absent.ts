/** Replaces packages that can't be part of a worker's build: they need a file system or native code. */
export default undefined
