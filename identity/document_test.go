package identity_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// TestMergePatch_asRFC7396 holds every row of RFC 7396 appendix A.
func TestMergePatch_asRFC7396(t *testing.T) {
	t.Parallel()
	for _, row := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		// and what else documents of ours need
		{``, `{"a":1,"b":null}`, `{"a":1}`},
		{`{"n":9007199254740993}`, `{"m":1.50e1}`, `{"m":1.50e1,"n":9007199254740993}`},
		{`{"a":"<&>"}`, `{}`, `{"a":"<&>"}`},
	} {
		if got, err := identity.MergePatch(row[0], row[1]); err != nil || got != row[2] {
			t.Errorf("%s patched with %s: %s (%v), want %s", row[0], row[1], got, err, row[2])
		}
	}
}

func TestCleanJSON_takesOneValueAndNoTwoMeanings(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		` { "a" : [ 1 , 2 ] } `: `{"a":[1,2]}`, `"x y"`: `"x y"`, `null`: `null`, `1e400`: `1e400`,
		`"\ud83d\ude00"`: `"\ud83d\ude00"`, `"\\ud800"`: `"\\ud800"`, `{"a":{"a":1},"b":{"a":1}}`: `{"a":{"a":1},"b":{"a":1}}`,
		strings.Repeat("[", 64) + strings.Repeat("]", 64): strings.Repeat("[", 64) + strings.Repeat("]", 64),
	} {
		if got, err := identity.CleanJSON([]byte(text)); err != nil || got != want {
			t.Errorf("%s became %s (%v)", text, got, err)
		}
	}
	for _, text := range []string{
		``, ` `, `{`, `{"a":1}{}`, `{"a":1} x`, `{"a":1,"a":1}`, `[{"b":{"a":1,"a":2}}]`, `{"a":1,"\u0061":2}`, `{'a':1}`, `{"a" 1}`,
		`[1 2]`, `[1,]`, "\"\xff\"", `"\ud800"`, `"\udc00"`, `"\ud800x"`, `"\ud800\u0041"`, `"\ud800\ud800"`, `NaN`, `01`, `"a`,
		strings.Repeat("[", 65) + strings.Repeat("]", 65), strings.Repeat("[", 16<<10),
	} {
		if got, err := identity.CleanJSON([]byte(text)); identity.KindOf(err) != identity.Invalid || got != "" {
			t.Errorf("%.40q was taken as %q (%v)", text, got, err)
		}
	}
}

// FuzzMergePatch checks what holds for every document and patch: the result is clean JSON, applying the patch again
// changes nothing, and what the patch removes is not there.
func FuzzMergePatch(f *testing.F) {
	f.Add(`{"a":[{"b":"c"}],"n":1}`, `{"a":{"x":null,"y":{"z":1}},"n":null}`)
	f.Add(`[1,2]`, `{"a":"b","c":null}`)
	f.Add(`"\ud83d\ude00"`, `{"\u0000":"\u2028"}`)
	f.Fuzz(func(t *testing.T, document, patch string) {
		document, err := identity.CleanJSON([]byte(document))
		if err != nil {
			return
		}
		if patch, err = identity.CleanJSON([]byte(patch)); err != nil {
			return
		}
		once, err := identity.MergePatch(document, patch)
		if err != nil {
			t.Fatalf("%s patched with %s: %v", document, patch, err)
		}
		if clean, err := identity.CleanJSON([]byte(once)); err != nil || clean != once {
			t.Fatalf("%s is not clean: %v", once, err)
		}
		if twice, err := identity.MergePatch(once, patch); err != nil || twice != once {
			t.Errorf("%s patched twice with %s: %s, then %s (%v)", document, patch, once, twice, err)
		}
		var result, change map[string]any
		if json.Unmarshal([]byte(patch), &change) != nil || json.Unmarshal([]byte(once), &result) != nil {
			return
		}
		for name, value := range change {
			if kept, there := result[name]; there != (value != nil) {
				t.Errorf("%s of %s became %v", name, patch, kept)
			}
		}
	})
}
