// Package notice_test holds the program to licences that let it be given away under Apache-2.0, and NOTICE to what is
// linked into it.
package notice_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write NOTICE anew")

const (
	root = "../.."
	head = `Sojourn
Copyright 2026 The Sojourn authors

Licensed under the Apache License, Version 2.0, which is in the file LICENSE. The program has the following linked into it,
each under its own licence. "make notice" writes this file.

`
)

// platforms are those that NOTICE is true for.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/arm64", "windows/amd64"}

// kinds are the licences that may be linked, and what is said in each of them and in no other.
var kinds = map[string]string{
	"Apache-2.0":    "apache license version 2.0, january 2004",
	"MPL-2.0":       "mozilla public license, version 2.0", // unmodified
	"BSD-3-Clause":  "neither the name",
	"BSD-2-Clause":  "redistributions in binary form must reproduce",
	"MIT":           "permission is hereby granted, free of charge, to any person obtaining a copy",
	"ISC":           "permission to use, copy, modify, and/or distribute this software for any purpose",
	"public domain": "dedicated to the public domain",
}

// refused are words of licences that bind whoever links them, or who may use what.
var refused = regexp.MustCompile(`gnu (affero |lesser |library )?general public|server side public|business source|` +
	`commons clause|elastic license|non-?commercial use only|creative commons`)

// leftOut are files of licences for what is not linked.
var leftOut = map[string]string{
	"modernc.org/memory/LICENSE-LOGO":         "a picture",
	"modernc.org/sqlite/LICENSE-3RD-PARTY.md": "its tests and tools; what is linked has files of its own",
}

var (
	licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)`)
	spaces      = regexp.MustCompile(`\s+`)
)

// module is what `go list` says of one.
type module struct {
	Path, Version, Dir string
	Main               bool
	Replace            *module
}

// licence is one file of a module.
type licence struct {
	module, text string
	kinds        []string // none: a notice
}

func TestNotice_namesWhatIsLinkedAndItsLicences(t *testing.T) {
	t.Parallel()
	modules := linked(t)
	if len(modules) < 30 {
		t.Errorf("only %d modules are linked: %v", len(modules), slices.Sorted(maps.Keys(modules)))
	}
	var list strings.Builder
	var all []licence
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		found := licences(t, modules[name])
		var told []string
		for _, l := range found {
			told = append(told, l.kinds...)
		}
		if len(told) == 0 {
			t.Errorf("%s has no licence", name)
		}
		slices.Sort(told)
		fmt.Fprintf(&list, "%-60s %s\n", strings.TrimSpace(name+" "+modules[name].Version), strings.Join(slices.Compact(told), ", "))
		all = append(all, found...)
	}
	compare(t, head+list.String()+texts(t, all))
}

func compare(t *testing.T, want string) {
	t.Helper()
	file := filepath.Join(root, "NOTICE")
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, file); got != want {
		t.Error("NOTICE does not say what is linked: `make notice` writes it anew; look at the diff")
	}
}

func TestKinds_tellLicencesApart(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		read(t, filepath.Join(root, "LICENSE")):                              "Apache-2.0",
		"Redistributions in binary form must reproduce … Neither the name":   "BSD-3-Clause",
		"Redistributions in binary\nform must reproduce the above":           "BSD-2-Clause",
		"GNU AFFERO GENERAL PUBLIC LICENSE":                                  "",
		"Commons Clause: permission is hereby granted, free of charge, to …": "",
		"All rights reserved.":                                               "",
		"Mozilla Public License, version 2.0 … GNU General Public License …": "MPL-2.0",
	} {
		got, err := classify(text)
		if strings.Join(got, ", ") != want || (want == "") != (err != nil) {
			t.Errorf("%.40q… is %v, %v; want %q", text, got, err, want)
		}
	}
}

// linked are the modules that packages of the program come from, and Go itself, whose licence golang.org/x/sys has too.
func linked(t *testing.T) map[string]module {
	t.Helper()
	found := map[string]module{}
	for _, platform := range platforms {
		system, arch, _ := strings.Cut(platform, "/")
		list := exec.Command("go", "list", "-deps", "-json=Module", "./cmd/sojourn")
		list.Dir, list.Env = root, append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0")
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		for lines := json.NewDecoder(strings.NewReader(string(out))); ; {
			var p struct{ Module *module }
			if err := lines.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if p.Module != nil && !p.Module.Main {
				found[p.Module.Path] = *p.Module
			}
		}
	}
	found["Go"] = module{Dir: found["golang.org/x/sys"].Dir}
	return found
}

// licences are the licences and notices of a module.
func licences(t *testing.T, m module) (all []licence) {
	t.Helper()
	if m.Replace != nil {
		m.Dir = m.Replace.Dir
	}
	files, err := os.ReadDir(m.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.IsDir() || !licenceFile.MatchString(f.Name()) || leftOut[path.Join(m.Path, f.Name())] != "" {
			continue
		}
		l := licence{module: m.Path, text: read(t, filepath.Join(m.Dir, f.Name()))}
		if m.Path == "" {
			l.module = "Go"
		}
		if !strings.HasPrefix(strings.ToLower(f.Name()), "notice") {
			if l.kinds, err = classify(l.text); err != nil {
				t.Errorf("%s, %s: %v", m.Path, f.Name(), err)
			}
		}
		all = append(all, l)
	}
	return all
}

// classify tells the kinds of licence that a text holds. The error says why what it holds may not be linked.
func classify(text string) (found []string, err error) {
	text = strings.ToLower(spaces.ReplaceAllString(text, " "))
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		if strings.Contains(text, kinds[name]) {
			found = append(found, name)
		}
	}
	if slices.Contains(found, "BSD-3-Clause") {
		found = slices.DeleteFunc(found, func(name string) bool { return name == "BSD-2-Clause" })
	}
	if bad := refused.FindString(text); bad != "" && !slices.Equal(found, []string{"MPL-2.0"}) { // which names GNU's
		return nil, fmt.Errorf("%q may not be linked", bad)
	}
	if len(found) == 0 {
		return nil, errors.New("a licence that nobody has judged yet")
	}
	return found, nil
}

// texts are the licences and notices themselves, each once, with those that come under it.
func texts(t *testing.T, all []licence) string {
	t.Helper()
	const end = "END OF TERMS AND CONDITIONS"
	ours := read(t, filepath.Join(root, "LICENSE"))
	terms, _, _ := strings.Cut(strings.TrimSpace(ours), end)
	under := map[string][]string{}
	var order []string
	for _, l := range all {
		text := strings.TrimSpace(strings.ReplaceAll(l.text, "\r\n", "\n"))
		if before, after, apache := strings.Cut(text, end); apache && same(before, terms) {
			text = strings.TrimSpace("Apache License, Version 2.0: see the file LICENSE.\n\n" + strings.TrimSpace(after))
		}
		if under[text] == nil {
			order = append(order, text)
		}
		under[text] = append(under[text], l.module)
	}
	var b strings.Builder
	for _, text := range order {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("-", 80), strings.Join(under[text], "\n"), text)
	}
	return b.String()
}

func same(a, b string) bool {
	return spaces.ReplaceAllString(strings.TrimSpace(a), " ") == spaces.ReplaceAllString(strings.TrimSpace(b), " ")
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
