// What the pages do beyond what a browser does by itself: the reader's own time, a look at what has changed every two
// seconds, keys, and the choice between light and dark. Every page works without it.
"use strict";

const EVERY = 2000; // milliseconds between two looks
const PATIENCE = 5000; // … after one in vain
const kept = {
  // a browser may refuse to keep anything
  get(name) { try { return localStorage.getItem(`jobwire-${name}`); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(`jobwire-${name}`, value); } catch { /* then not */ } },
};

// --- light and dark: before anything is drawn ----------------------------------------------------------------------

const THEMES = ["auto", "light", "dark"];
let theme = THEMES.includes(kept.get("theme")) ? kept.get("theme") : "auto";

function dress() {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
dress();

// --- times ---------------------------------------------------------------------------------------------------------

const ages = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "narrow" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const two = (number) => String(number).padStart(2, "0");

function clock(when, now) {
  const day = `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())}`;
  const time = `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}`;
  return when.toDateString() === now.toDateString() ? time : `${day} ${time}`;
}

function age(when, now) {
  const seconds = Math.round((when - now) / 1000);
  if (Math.abs(seconds) < 2) return "now";
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= 2 * size);
  return ages.format(Math.trunc(seconds / size), unit);
}

function tellTimes() {
  const now = new Date();
  for (const element of document.querySelectorAll("time[datetime]")) {
    const when = new Date(element.dateTime);
    if (isNaN(when)) continue;
    if (!element.firstElementChild) {
      element.title = element.textContent;
      const [at, ago] = [document.createElement("span"), document.createElement("span")];
      ago.className = "age";
      element.replaceChildren(at, " ", ago);
    }
    const [at, ago] = element.children;
    if (at.textContent !== clock(when, now)) at.textContent = clock(when, now);
    if (ago.textContent !== age(when, now)) ago.textContent = age(when, now);
  }
}

// --- looking at what has changed -----------------------------------------------------------------------------------

let watching = true;
let next = 0;
let known = new Set();

const live = () => document.getElementById("live");
const told = () => new Map([...document.querySelectorAll("[data-say]")].map((e) => [e.dataset.say, e]));

function look() {
  clearTimeout(next);
  if (live() && watching && !document.hidden && window.htmx) htmx.trigger(live(), "look");
}

function later(milliseconds) {
  clearTimeout(next);
  next = setTimeout(look, milliseconds);
}

function notice(text) {
  const box = document.getElementById("notice");
  if (!text) return box.replaceChildren();
  const said = document.createElement("p");
  said.className = "box warn";
  said.textContent = text;
  box.replaceChildren(said);
}

// What is new of what matters is shown for a moment and said aloud, a few things at most; the rest changes in silence.
function tellNews() {
  const now = told();
  const news = [...now].filter(([key]) => !known.has(key)).map(([, element]) => element);
  known = new Set(now.keys());
  for (const element of news) element.classList.add("fresh");
  if (news.length) {
    const said = news.slice(0, 3).map((element) => element.dataset.said);
    if (news.length > 3) said.push(`and ${news.length - 3} more`);
    document.getElementById("aloud").textContent = said.join(". ");
  }
}

function watch() {
  if (!live() || !window.htmx || !window.Idiomorph) return;
  known = new Set(told().keys());
  // What the reader has opened stays open, and a time that is told in their own zone is not told anew.
  Object.assign(Idiomorph.defaults.callbacks, {
    beforeAttributeUpdated: (name, element) => !(name === "open" && element.tagName === "DETAILS"),
    beforeNodeMorphed: (old, fresh) => !(old.tagName === "TIME" && old.dateTime === fresh.dateTime),
  });
  document.addEventListener("htmx:configRequest", (event) => {
    event.detail.headers["X-Seen"] = document.getElementById("seen")?.dataset.seen ?? "";
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== live()) return;
    tellTimes();
    tellNews();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) notice("");
    later(event.detail.successful ? EVERY : PATIENCE);
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, () => notice("jobwire does not answer. What is shown may be old; it is asked again every few seconds."));
  }
  document.addEventListener("visibilitychange", look);
  const button = document.getElementById("watch");
  button.hidden = false;
  button.addEventListener("click", () => {
    watching = !watching;
    button.setAttribute("aria-pressed", String(watching));
    button.textContent = watching ? "Live" : "Paused";
    look();
  });
  later(EVERY);
}

// --- keys ----------------------------------------------------------------------------------------------------------

let keys = kept.get("keys") !== "off";

function rows() {
  return [...document.querySelectorAll("td.head a, .headline a, .timeline .found a, .hits a")].filter((link) => link.offsetParent);
}

function pressed(event) {
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "Escape" && typing) typing.blur();
  if (!keys || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    document.getElementById("q")?.select();
    document.getElementById("q")?.focus();
  } else if (event.key === "j" || event.key === "k") {
    const links = rows();
    const at = links.indexOf(document.activeElement);
    links[event.key === "j" ? Math.min(at + 1, links.length - 1) : Math.max(at - 1, 0)]?.focus();
  } else return;
  event.preventDefault();
}

function toggles() {
  const dark = document.getElementById("theme");
  const dressed = () => { dark.textContent = `Theme: ${theme}`; dress(); };
  dark.hidden = false;
  dark.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    kept.set("theme", theme);
    dressed();
  });
  dressed();
  const button = document.getElementById("keys");
  const said = () => {
    button.setAttribute("aria-pressed", String(keys));
    button.textContent = keys ? "Keys: / j k" : "Keys: off";
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    keys = !keys;
    kept.set("keys", keys ? "on" : "off");
    said();
  });
  said();
}

document.addEventListener("DOMContentLoaded", () => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.getElementById("zone").textContent = `Times are in your zone, ${zone}.`;
  tellTimes();
  setInterval(tellTimes, 5000);
  toggles();
  document.addEventListener("keydown", pressed);
  watch();
});
