import { type Details, SmallOrganelles } from "./details.js";
import type { Neurite } from "./growth.js";
import { Mitochondria, type Mitochondrion } from "./mitochondria.js";
import type { Neurites } from "./neurites.js";
import type { PhantomStyle } from "./style.js";
import type { Warp } from "./warp.js";

/** What lies in a neurite, made when it is first asked for and kept as long as the neurite is. */
export class Organelles {
  private readonly large: Mitochondria;
  private readonly small: SmallOrganelles;
  private readonly mitos = new WeakMap<Neurite, readonly Mitochondrion[]>();
  private readonly details = new WeakMap<Neurite, Details>();

  constructor(neurites: Neurites, warp: Warp, style: PhantomStyle) {
    this.large = new Mitochondria(neurites, style);
    this.small = new SmallOrganelles(neurites, warp, style);
  }

  mitochondria(neurite: Neurite): readonly Mitochondrion[] {
    let made = this.mitos.get(neurite);
    if (made === undefined) {
      made = this.large.grow(neurite);
      this.mitos.set(neurite, made);
    }
    return made;
  }

  detailsOf(neurite: Neurite): Details {
    let made = this.details.get(neurite);
    if (made === undefined) {
      made = this.small.grow(neurite, this.mitochondria(neurite));
      this.details.set(neurite, made);
    }
    return made;
  }
}
