// What is said on the air: the plate letter by letter in the police alphabet (APCO), and the words of a broadcast.
const ALPHABET = {
  A: "Adam", B: "Boy", C: "Charles", D: "David", E: "Edward", F: "Frank", G: "George", H: "Henry", I: "Ida", J: "John", K: "King", L: "Lincoln", M: "Mary",
  N: "Nora", O: "Ocean", P: "Paul", Q: "Queen", R: "Robert", S: "Sam", T: "Tom", U: "Union", V: "Victor", W: "William", X: "X-ray", Y: "Young", Z: "Zebra",
};
const STATES = {
  AL: "Alabama", AK: "Alaska", AZ: "Arizona", AR: "Arkansas", CA: "California", CO: "Colorado", CT: "Connecticut", DC: "District of Columbia", DE: "Delaware", FL: "Florida", GA: "Georgia",
  HI: "Hawaii", IA: "Iowa", ID: "Idaho", IL: "Illinois", IN: "Indiana", KS: "Kansas", KY: "Kentucky", LA: "Louisiana", MA: "Massachusetts", MD: "Maryland", ME: "Maine", MI: "Michigan",
  MN: "Minnesota", MO: "Missouri", MS: "Mississippi", MT: "Montana", NC: "North Carolina", ND: "North Dakota", NE: "Nebraska", NH: "New Hampshire", NJ: "New Jersey", NM: "New Mexico",
  NV: "Nevada", NY: "New York", OH: "Ohio", OK: "Oklahoma", OR: "Oregon", PA: "Pennsylvania", RI: "Rhode Island", SC: "South Carolina", SD: "South Dakota", TN: "Tennessee", TX: "Texas",
  UT: "Utah", VA: "Virginia", VT: "Vermont", WA: "Washington", WI: "Wisconsin", WV: "West Virginia", WY: "Wyoming",
};
const HEADINGS = { N: "northbound", S: "southbound", E: "eastbound", W: "westbound", NE: "northeastbound", NW: "northwestbound", SE: "southeastbound", SW: "southwestbound" };

export const spelled = (plate) => [...plate].map((letter) => ALPHABET[letter] ?? letter).join(" ");
export const state = (code) => (code || "unknown").replace(/^US-/, "");
export const stateWords = (code) => STATES[state(code)] ?? (code && code !== "unknown" ? state(code) : "");
export const known = (code) => Boolean(code && code !== "unknown");
export const direction = (code) => HEADINGS[code] ?? (known(code) ? code : "direction unknown");
const SHORT = /\b(alpr|bolo|cad|clets|ncic|tas)\b/gi; // said letter by letter, or as a name
export const codeWords = (code) => { const text = String(code).replaceAll("_", " ").replace(SHORT, (name) => name.toUpperCase()); return text.charAt(0).toUpperCase() + text.slice(1); };

const nature = (card) => (card.reason && card.reason !== card.advisory_class ? `${card.advisory_words}, ${card.reason_words}` : card.advisory_words);
const origin = (card) => (known(card.state) ? card.state : card.entry_state); // the list names it where the camera could not tell

// What a hit fills into a broadcast or a call, so that it can be read aloud as it stands.
export function filled(card) {
  const listed = card.entry?.vehicle ?? "", color = known(card.vehicle?.color) ? card.vehicle.color_words : "";
  const seen = color && !listed.toLowerCase().includes(color.toLowerCase()) ? `${color} vehicle${listed ? " seen" : ""}` : "";
  const vehicle = [listed, seen].filter(Boolean).join("; ");
  return {
    nature: nature(card),
    vehicle, // empty where nothing is listed or seen: then the dispatcher says it
    plate: `${card.read_check?.corrected_text || card.plate}${known(origin(card)) ? ` (${state(origin(card))})` : ""}`,
    fixed_location: card.device_name || card.device_id,
    description: vehicle,
    alert_info: [card.advisory_words, card.list_name || card.list_code, card.entry?.synopsis].filter(Boolean).join(". "),
    direction: direction(card.direction),
  };
}

// The text to read: what kind of hit, the plate spelled with its state, the vehicle, where and whereto, and how sure anybody is.
// What the profile's broadcast does not carry is said from the hit.
export function aloud(card, kind, content, verified) {
  const said = [], heard = new Set();
  const part = (words) => {
    const text = String(words ?? "").trim(), plain = text.replace(/[.!?]+$/, "");
    if (!plain || heard.has(plain.toLowerCase())) return;
    heard.add(plain.toLowerCase());
    said.push(`${text.charAt(0).toUpperCase()}${text.slice(1)}${plain === text ? "." : ""}`);
  };
  if (card.status === "Exercise") said.push("EXERCISE, EXERCISE.");
  const why = (content.nature || nature(card)).trim().replace(/[.!?]+$/, "");
  for (const words of [why, card.advisory_words]) heard.add(words.toLowerCase());
  if (kind === "clets_result") part("Result of the records check");
  part(content.result);
  part(`${kind === "bolo" ? "Be on the lookout: " : ""}${/\bhit$/i.test(why) ? why : `${why} hit`}`);
  for (const piece of String(content.alert_info ?? "").split(/(?<=[.!?])\s+/)) part(piece);
  const text = (content.plate?.match(/[A-Z0-9]+/i) ?? [card.plate])[0].toUpperCase();
  part(`${stateWords((content.plate?.match(/\(([A-Z]{2})\)/) ?? [])[1] ?? origin(card))} plate ${spelled(text)}`.trim());
  part(content.vehicle);
  part(content.description);
  if (!content.vehicle && !content.description) part(filled(card).vehicle);
  const whereto = content.direction || direction(card.direction);
  part(`Seen at ${content.fixed_location || card.device_name || card.device_id}, ${/unknown/.test(whereto) ? "direction unknown" : whereto}`);
  said.push(verified ? "Confirmed active." : "Not confirmed. Unverified lead, not grounds for a stop.");
  if (card.status === "Exercise") said.push("EXERCISE.");
  return said.join(" ");
}
