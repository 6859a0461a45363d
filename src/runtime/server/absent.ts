/** Stands in for packages that can't be part of a build: they need a file system, or code of the machine. */
export default undefined
