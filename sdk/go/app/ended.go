package app

import (
	_ "embed" // for the sentences
	"encoding/json"
	"strings"
	"time"
)

// Ended is a session that is over. It is an error of whoever asks for a token until someone signs in again.
type Ended struct {
	// Reason is one of those that the server tells (docs/mobile.md), or unknown, key_lost, store_damaged.
	Reason string `json:"reason"`
	// Sentence says it to the person, in the language of Config.
	Sentence string `json:"-"`
	// At is when the app learnt it, by the server's time.
	At time.Time `json:"at"`
	// SessionID is the server's name of the session, where it had one.
	SessionID string `json:"sid,omitempty"`
}

// Error says the sentence.
func (e *Ended) Error() string { return "the session is over (" + e.Reason + "): " + e.Sentence }

// id tells endings apart.
func (e *Ended) id() string {
	if e == nil {
		return ""
	}
	if e.Reason == reasonStore {
		return e.Reason // each look finds it anew
	}
	return e.SessionID + " " + e.Reason + " " + e.At.UTC().String()
}

// The reasons that no server tells.
const (
	reasonUnknown = "unknown"
	reasonKey     = "key_lost"
	reasonStore   = "store_damaged"
)

// unheardOf is how a reason is told that these sentences don't know (docs/mobile.md).
const unheardOf = "ended_by_operator"

//go:embed sentences.json
var sentencesFile []byte

// sentence says in a language why a session is over. A language that is not here is English; of "de-AT" the first part counts.
func sentence(language, reason string) string {
	var all map[string]map[string]string
	if err := json.Unmarshal(sentencesFile, &all); err != nil {
		panic(err) // impossible: the file is embedded above
	}
	language, _, _ = strings.Cut(strings.ReplaceAll(strings.ToLower(language), "_", "-"), "-")
	mine, ok := all[language]
	if !ok {
		mine = all["en"]
	}
	if text, ok := mine[reason]; ok {
		return text
	}
	return mine[unheardOf]
}
