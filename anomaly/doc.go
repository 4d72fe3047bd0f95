// Package anomaly looks for what is unusual among what happens: to one person, to one Session, or to many at once. Rules are data
// (rules.yaml, and an operator's own file); what they look at are signals, which are code.
//
// Its one rule: nobody waits for it. It reads Events once they are committed, by a cursor, in one process of many, and what a refresh
// tells it costs no statement. What it remembers is bounded; what it decided stands in the database, so that a rule decides once about
// the same within its window, whoever looks and however often.
//
// It may import identity; server and simulate assemble it.
package anomaly
