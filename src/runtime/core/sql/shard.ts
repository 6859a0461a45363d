/** The shard of a subject, from 0 on, among so many: by a hash that is the same on every server of a kind. */
export const shardOf = (subject: string, shards: string): string =>
  `pg_catalog.mod(pg_catalog.hashtextextended(${subject}, 0::bigint) & 9223372036854775807, ${shards}::bigint)::int`
