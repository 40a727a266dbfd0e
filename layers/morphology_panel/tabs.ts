import { element } from "../mito_layer/dom.js";

export interface TabEntry<Id extends string> {
  readonly id: Id;
  readonly label: string;
  readonly title: string;
  readonly panel: HTMLElement;
}

let strips = 0;

/** Tabs by the WAI-ARIA pattern: one stop of the tab order; arrows, Home and End change the tab. */
export class TabStrip<Id extends string> {
  readonly element = element("div", { class: "mito-tabs", role: "tablist", "aria-label": "Morphology" });
  private readonly buttons = new Map<Id, HTMLButtonElement>();

  constructor(
    private readonly entries: readonly TabEntry<Id>[],
    private readonly choose: (id: Id) => void,
  ) {
    const strip = strips++;
    for (const { id, label, title, panel } of entries) {
      const name = `mito-tabs-${strip}-${id}`;
      panel.id = `${name}-panel`;
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", name);
      const button = element(
        "button",
        {
          type: "button",
          role: "tab",
          id: name,
          title,
          "aria-controls": panel.id,
          onclick: () => choose(id),
        },
        label,
      );
      this.buttons.set(id, button);
      this.element.append(button);
    }
    this.element.addEventListener("keydown", (event) => this.onKey(event));
  }

  show(chosen: Id): void {
    for (const { id, panel } of this.entries) {
      const button = this.buttons.get(id)!;
      button.setAttribute("aria-selected", String(id === chosen));
      button.tabIndex = id === chosen ? 0 : -1;
      panel.hidden = id !== chosen;
    }
  }

  private onKey(event: KeyboardEvent): void {
    const at = this.entries.findIndex(({ id }) => this.buttons.get(id) === event.target);
    const last = this.entries.length - 1;
    const to = new Map([
      ["ArrowRight", at === last ? 0 : at + 1],
      ["ArrowLeft", at === 0 ? last : at - 1],
      ["Home", 0],
      ["End", last],
    ]).get(event.key);
    if (to === undefined || at === -1) return;
    event.preventDefault();
    event.stopPropagation();
    const { id } = this.entries[to];
    this.choose(id);
    this.buttons.get(id)!.focus();
  }
}
