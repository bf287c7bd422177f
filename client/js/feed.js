// feed.js: the list of messages. It draws once a frame however many arrive,
// and holds no more than `cap` of them, on screen or waiting.

export class Feed {
  #list;
  #scroller;
  #cap;
  #waiting = [];
  #frame = 0;
  #missed = 0; // drawn while the reader was scrolled up

  // onMissed is told how many messages came below what the reader sees.
  constructor({ list, scroller, cap = 300, onMissed = () => {} }) {
    this.#list = list;
    this.#scroller = scroller;
    this.#cap = cap;
    this.onMissed = onMissed;
    scroller.addEventListener("scroll", () => this.#atEnd() && this.#seen(), { passive: true });
  }

  // add takes a function that makes the element, called only if it is drawn.
  add(make) {
    this.#waiting.push(make);
    // A hidden page draws no frames: keep what would be left of them.
    if (this.#waiting.length > 2 * this.#cap) this.#waiting.splice(0, this.#waiting.length - this.#cap);
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  clear() {
    this.#waiting.length = 0;
    this.#list.replaceChildren();
    this.#seen();
  }

  toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#seen();
  }

  #draw() {
    this.#frame = 0;
    const follow = this.#atEnd();
    const fresh = this.#waiting.slice(-this.#cap).map((make) => make());
    this.#waiting.length = 0;
    const over = this.#list.childElementCount + fresh.length - this.#cap;
    this.#drop(over, follow);
    this.#list.append(...fresh);
    if (follow) return this.toEnd();
    this.#missed += fresh.length;
    this.onMissed(this.#missed);
  }

  // drop removes the oldest n. A reader further up keeps the place.
  #drop(n, follow) {
    if (n <= 0) return;
    const before = this.#scroller.scrollHeight;
    for (let i = 0; i < n; i++) this.#list.firstElementChild?.remove();
    if (!follow) this.#scroller.scrollTop -= before - this.#scroller.scrollHeight;
  }

  #atEnd() {
    const s = this.#scroller;
    return s.scrollHeight - s.scrollTop - s.clientHeight < 40;
  }

  #seen() {
    this.#missed = 0;
    this.onMissed(0);
  }
}
