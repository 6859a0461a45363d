/** Sends the request of a button; for routes whose response is not used. */
export async function send(method: 'POST' | 'PUT' | 'DELETE', url: string, body?: object): Promise<void> {
  await $fetch<unknown>(url, { method, body })
}
