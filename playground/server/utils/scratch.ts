export const scratchKey = (session: string): string => `desk:${session}:scratch`
