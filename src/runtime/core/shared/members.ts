/** The members of an object that callers give, as data for its check: a list that is not the type's does not compile. */
export type Members<T> = Readonly<Record<keyof T, true>>
