/** Sends what a button does; for routes whose answer nobody looks at. */
export async function send(method: 'POST' | 'PUT' | 'DELETE', url: string, body?: object): Promise<void> {
  await $fetch<unknown>(url, { method, body })
}
