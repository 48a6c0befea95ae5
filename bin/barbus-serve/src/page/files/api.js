// Requests to the server.

/** What the server answers to GET `path`; its error as an exception. */
export async function ask(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (value !== undefined && value !== null) query.set(name, value);
  }
  const response = await fetch(`${path}?${query}`);
  if (response.status === 401) location.assign("/login");
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ?? response.statusText);
  return answer;
}

/** The bars of one symbol, oldest first, as objects. */
export async function askBars(bus, symbol, interval, last) {
  const { columns, data } = await ask("/api/bars", { bus, symbols: symbol, interval, last });
  const at = Object.fromEntries(columns.map((name, index) => [name, index]));
  return data.map((row) => ({
    frame: row[at.frame],
    open: row[at.open],
    high: row[at.high],
    low: row[at.low],
    close: row[at.close],
    volume: row[at.volume],
    day: row[at.day],
    complete: at.complete === undefined ? true : row[at.complete],
  }));
}
