const euros = new Intl.NumberFormat('en-IE', { style: 'currency', currency: 'EUR' })

export const money = (cents: number): string => euros.format(cents / 100)

export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`

/** `9:05`, counted down. */
export function clock(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
