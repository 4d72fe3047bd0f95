package identity

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ccojocar/zxcvbn-go/data"
)

// Two lists of zxcvbn: what people choose most, and the words and names that guessing goes on with. They are lower case
// and small, on purpose: the throttles end guessing long before a larger list would matter (NIST SP 800-63B §3.1.1.2).
var (
	commonPasswords = sync.OnceValue(func() []string { return readCommon("Passwords") })
	commonWords     = sync.OnceValue(func() []string { return readCommon("English", "Surnames", "MaleNames", "FemaleNames") })
)

// isCommon reports whether p, in lower case, is one of the first guesses: on a list, or a common password with up to four
// digits around it.
func isCommon(p string) bool {
	if listed(commonPasswords(), p) || listed(commonWords(), p) {
		return true
	}
	bare := strings.Trim(p, "0123456789")
	return len(p)-len(bare) <= 4 && listed(commonPasswords(), bare)
}

func listed(list []string, word string) bool {
	_, found := slices.BinarySearch(list, word)
	return found
}

// readCommon merges lists of zxcvbn, sorted. It panics where the library lost one, which a test would see.
func readCommon(names ...string) []string {
	var all []string
	for _, name := range names {
		var list struct{ List []string }
		raw, err := data.Asset("data/" + name + ".json")
		if err == nil {
			err = json.Unmarshal(raw, &list)
		}
		if err != nil {
			panic(fmt.Sprintf("the list of common passwords %s: %v", name, err))
		}
		all = append(all, list.List...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
