// Times, durations and numbers for people. All times are shown in the reader's zone; the title has UTC.

const two = (n) => String(n).padStart(2, '0');

/** Milliseconds since 1970 of a number or of an RFC 3339 text; NaN for anything else. */
export const millis = (at) => (typeof at === 'number' ? at : typeof at === 'string' ? Date.parse(at) : NaN);

/** The time of day: "09:05:01". */
export function timeOfDay(at) {
  const date = new Date(millis(at));
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** The time of day, with the day if it is not today or if that is wanted. */
export function clock(at, withDay) {
  const date = new Date(millis(at));
  if (isNaN(date)) return '–';
  const time = timeOfDay(at);
  const today = new Date().toDateString() === date.toDateString();
  return today && !withDay ? time : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

export function utc(at) {
  const date = new Date(millis(at));
  return isNaN(date) ? '' : date.toISOString();
}

/** Seconds in the two largest units: "3d 4h", "2m 5s", "1.2s", "13ms". */
export function duration(seconds) {
  if (!isFinite(seconds)) return '–';
  const s = Math.max(0, seconds);
  if (s < 0.001) return s === 0 ? '0s' : `${Math.round(s * 1e6)}µs`;
  if (s < 1) return `${Math.round(s * 1000)}ms`;
  if (s < 10) return `${s.toFixed(1)}s`;
  if (s < 60) return `${Math.floor(s)}s`;
  const units = [['d', 86400], ['h', 3600], ['m', 60], ['s', 1]];
  const first = units.findIndex(([, size]) => s >= size);
  const [name, size] = units[first];
  const [nextName, nextSize] = units[first + 1];
  return `${Math.floor(s / size)}${name} ${Math.floor((s % size) / nextSize)}${nextName}`;
}

export const since = (at) => duration((Date.now() - millis(at)) / 1000);

export function ago(at) {
  const passed = Date.now() - millis(at);
  if (!isFinite(passed)) return 'never';
  if (passed < 0) return `in ${duration(-passed / 1000)}`;
  return passed < 1500 ? 'now' : passed < 60e3 ? `${Math.floor(passed / 1000)}s ago` : `${duration(passed / 1000)} ago`;
}

export function bytes(count) {
  if (typeof count !== 'number') return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const at = count < 1 ? 0 : Math.min(4, Math.floor(Math.log2(count) / 10));
  const value = count / 2 ** (10 * at);
  return `${at === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}

/** A number with a few digits: "1,234", "0.25", "3.4M". */
export function number(value) {
  if (typeof value !== 'number' || !isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size >= 1e9) return `${(value / 1e9).toFixed(1)}G`;
  if (size >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en');
  if (size >= 1) return String(+value.toFixed(1));
  return size === 0 ? '0' : String(+value.toPrecision(2));
}

export const count = (n, one, many) => `${number(n)} ${n === 1 ? one : many ?? `${one}s`}`;

/** Any value of an app as text. */
export const text = (value) =>
  value === null || value === undefined ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);
