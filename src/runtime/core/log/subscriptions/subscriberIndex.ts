import { globMatcher, isGlob } from '../../shared/glob'
import type { Follower } from './follower'

/** Followers by subject or glob: finding those of an event takes one look-up, and one match for each distinct glob. */
export interface SubscriberIndex {
  add(follower: Follower): void
  delete(follower: Follower): void
  of(subject: string): Iterable<Follower>
  has(subject: string): boolean
  /** The distinct subjects and globs that are followed. */
  subjects(): string[]
}

interface Group {
  followers: Set<Follower>
  matches: (subject: string) => boolean
}

export function createSubscriberIndex(): SubscriberIndex {
  const exact = new Map<string, Group>()
  const globs = new Map<string, Group>()
  const mapOf = (subject: string) => isGlob(subject) ? globs : exact

  function* groupsOf(subject: string): Iterable<Group> {
    const own = exact.get(subject)
    if (own) yield own
    for (const group of globs.values()) if (group.matches(subject)) yield group
  }

  return {
    add(follower) {
      const map = mapOf(follower.subject)
      const group = map.get(follower.subject) ?? { followers: new Set(), matches: globMatcher(follower.subject) }
      group.followers.add(follower)
      map.set(follower.subject, group)
    },
    delete(follower) {
      const map = mapOf(follower.subject)
      const followers = map.get(follower.subject)?.followers
      if (followers?.delete(follower) && followers.size === 0) map.delete(follower.subject)
    },
    * of(subject) {
      for (const { followers } of groupsOf(subject)) yield* followers
    },
    has: subject => !groupsOf(subject)[Symbol.iterator]().next().done,
    subjects: () => [...exact.keys(), ...globs.keys()],
  }
}
