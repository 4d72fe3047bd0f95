package contract

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

// vector is an input with the one right output.
type vector struct {
	Of     string         `json:"of"`
	Kind   string         `json:"kind"`
	Input  map[string]any `json:"input"`
	Output any            `json:"output"`
}

// vectors reads all files: those of rows, and the table of sentences, each a row.
func vectors(t *testing.T) (all []vector) {
	t.Helper()
	files, err := filepath.Glob("vectors/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(file) == "sentences.json" {
			all = append(all, sentences(t, content)...)
			continue
		}
		var rows []vector
		if err := json.Unmarshal(content, &rows); err != nil || len(rows) == 0 {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, rows...)
	}
	return all
}

func sentences(t *testing.T, content []byte) (all []vector) {
	t.Helper()
	var table map[string]map[string]string
	if err := json.Unmarshal(content, &table); err != nil {
		t.Fatal(err)
	}
	for language, sentences := range table {
		if len(sentences) != len(table["en"]) {
			t.Errorf("%s has %d sentences, English %d", language, len(sentences), len(table["en"]))
		}
		for reason, text := range sentences {
			all = append(all, vector{language + " " + reason, "sentence", map[string]any{"lang": language, "reason": reason}, text})
		}
	}
	return all
}

// playVectors asks a driver for each.
func playVectors(t *testing.T, spec driverSpec) {
	d := startDriver(t, spec)
	for _, v := range vectors(t) {
		r := d.wait(d.send(map[string]any{"do": "vectors", "kind": v.Kind, "input": v.Input}))
		got, there := r.OK["output"]
		if !there {
			t.Errorf("%s, %s: %v", v.Kind, v.Of, r.Error)
			continue
		}
		if v.Kind == "proof" {
			got = opened(t, got)
		}
		if diff := cmp.Diff(v.Output, got); diff != "" {
			t.Errorf("%s, %s: %s", v.Kind, v.Of, diff)
		}
	}
}

// opened is what a proof says, once its signature was checked with the key in it.
func opened(t *testing.T, proof any) any {
	t.Helper()
	text, _ := proof.(string)
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Errorf("%q is no proof: %v", text, err)
		return nil
	}
	payload, err := jws.Verify(jws.Signatures[0].Protected.JSONWebKey)
	if err != nil {
		t.Errorf("the signature of %q: %v", text, err)
		return nil
	}
	head, err := base64.RawURLEncoding.DecodeString(text[:bytes.IndexByte([]byte(text), '.')])
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]any{}
	for name, part := range map[string][]byte{"header": head, "claims": payload} {
		var value any
		if err := json.Unmarshal(part, &value); err != nil {
			t.Errorf("the %s of %q: %v", name, text, err)
		}
		said[name] = value
	}
	return said
}
