const KEY = "chondria-author";
const NOBODY = "anonymous";
const LONGEST = 200;

/** Name that operations of this browser are signed with. */
export function readAuthor(): string {
  try {
    return localStorage.getItem(KEY) || NOBODY;
  } catch {
    // Site data are denied: what is kept of edits says so.
    return NOBODY;
  }
}

/** @returns whether the browser keeps it. */
export function writeAuthor(name: string): boolean {
  try {
    localStorage.setItem(KEY, name.trim().slice(0, LONGEST));
    return true;
  } catch {
    return false;
  }
}
