/** The names of logs and of whoever signs for them, as signed notes want them (https://c2sp.org/signed-note): no space, no plus. */
export const NOTE_NAME = /^[^\s+\p{Cc}]{1,200}$/u;
