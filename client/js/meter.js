// meter.js: messages a second, over the last seconds as a number and over the
// last minute as a line.

const SPAN = 60; // seconds drawn
const SMOOTH = 3; // seconds that the number is a mean of

export class Meter {
  #counts = new Array(SPAN).fill(0); // a second each, the newest last
  #now = 0;

  count(n = 1) { this.#now += n; }

  // tick closes a second.
  tick() {
    this.#counts.push(this.#now);
    this.#counts.shift();
    this.#now = 0;
  }

  get rate() {
    const last = this.#counts.slice(-SMOOTH);
    return last.reduce((a, b) => a + b, 0) / last.length;
  }

  // draw sets the paths of an svg with the viewBox "0 0 60 20".
  draw(svg) {
    const most = Math.max(1, ...this.#counts);
    const points = this.#counts.map((n, i) => `${i + 0.5} ${(19 - (n / most) * 17).toFixed(2)}`);
    svg.querySelector(".line").setAttribute("d", `M${points.join("L")}`);
    svg.querySelector(".area").setAttribute("d", `M.5 20L${points.join("L")}L59.5 20Z`);
  }
}

// readable shortens a number for people: 7, 1.2k, 35k, 1.2M.
export function readable(n) {
  if (n < 10 && !Number.isInteger(n)) return n.toFixed(1);
  if (n < 1000) return String(Math.round(n));
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(n);
}
