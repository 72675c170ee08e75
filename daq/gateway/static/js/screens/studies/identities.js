// What is compared of two identities, and whether a reason can be read. Pure.

export const FACTS = ["name", "patient_id", "birth_date", "sex", "accession_number"];
const UNSEEN = /[\p{C}\p{Z}\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]/gu;

/** True where two identities are of the same person: name and number. @param {any} one @param {any} other */
export function same(one, other) {
  return one !== null && one.name === other.name && one.patient_id === other.patient_id;
}

/** True for a text of so many letters at least; what cannot be seen is none. @param {string} text @param {number} [least] */
export function readable(text, least = 3) {
  return text.replace(UNSEEN, "").length >= least;
}
