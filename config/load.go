package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// fileLimit bounds the YAML file and the files that secrets come from.
const fileLimit = 1 << 20

// Options are where Load looks. Keys of maps are the environment's names in lower case without SOJOURN_.
type Options struct {
	Defaults map[string]string   // instead of the built-in ones
	File     string              // YAML; empty: none
	Getenv   func(string) string // os.Getenv; an empty variable counts as unset
	Flags    map[string]string   // what the command line said
}

// Load reads the settings, flags over environment over file over defaults, and validates them. The error tells every
// problem; the Config is complete only when it is nil.
func Load(opts Options) (Config, error) {
	l := loader{given: map[string]string{}, failed: map[string]bool{}}
	l.add("", opts.Defaults)
	l.addFile(opts.File)
	l.add("", environment(opts.Getenv))
	l.add("", opts.Flags)

	var c Config
	for _, s := range settings {
		l.set(&c, s)
	}
	c.Collector = collector(c.OTLP, opts.Getenv)
	for _, p := range c.problems() {
		if !l.failed[p.name] { // what could not be read was told already
			l.problems = append(l.problems, p)
		}
	}
	return c, errors.Join(l.problems...)
}

// loader gathers layers and problems.
type loader struct {
	given    map[string]string // by YAML's names
	problems []error
	failed   map[string]bool // by the setting's name
}

func (l *loader) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Errorf(format, args...))
}

// add puts a layer over those before. Where it came from stands before a key that is unknown.
func (l *loader) add(from string, layer map[string]string) {
	for _, s := range settings {
		if key, value := l.resolve(s, layer); value != "" {
			l.given[key] = value
		}
	}
	for _, key := range slices.Sorted(maps.Keys(layer)) {
		if !slices.Contains(keys(), key) {
			l.problem("%s%q is not a setting; the nearest is %q", from, key, nearest(key))
		}
	}
}

// addFile adds the layer of a YAML file.
func (l *loader) addFile(path string) {
	if path == "" {
		return
	}
	content, err := read(path)
	if err != nil {
		l.problem("settings file: %w", err)
		return
	}
	layer, err := parseYAML(content)
	if err != nil {
		l.problem("%s: %w", path, err)
	}
	l.add(path+": ", layer)
}

// resolve finds a setting in a layer, by itself or in the file that NAME_FILE names.
func (l *loader) resolve(s setting, layer map[string]string) (key, value string) {
	key, value = s.key(), layer[s.key()]
	path := layer[key+"_file"]
	if !s.fromF || path == "" {
		return key, value
	}
	if value != "" {
		l.problem("%s and %s_FILE are both set: keep one", s.variable(), s.variable())
		return key, value
	}
	content, err := read(path)
	value = strings.TrimSpace(string(content))
	if err == nil && value == "" {
		err = fmt.Errorf("%s is empty", path)
	}
	if err != nil {
		l.problem("%s_FILE: %w", s.variable(), err)
		l.failed[s.name] = true
	}
	return key, value
}

// set gives c one setting. Where its text is no good the default stands in, so that what depends on it can be judged.
func (l *loader) set(c *Config, s setting) {
	value := s.bind(c)
	err := value.Set(s.std)
	if given := l.given[s.key()]; err == nil && given != "" {
		err = value.Set(given)
	}
	if err != nil {
		l.problem("%s: %w", s.variable(), err)
		l.failed[s.name] = true
	}
}

func environment(getenv func(string) string) map[string]string {
	layer := map[string]string{}
	if getenv == nil {
		return layer
	}
	for _, key := range keys() {
		layer[key] = getenv(prefix + strings.ToUpper(key))
	}
	return layer
}

var whichLine = regexp.MustCompile(`line \d+|$`)

// parseYAML reads a flat mapping; lists become comma-separated text. With an error comes what could be read.
func parseYAML(content []byte) (map[string]string, error) {
	var raw map[string]any
	if err := yaml.Unmarshal(content, &raw); err != nil { // which quotes values, so only its line is told
		return nil, fmt.Errorf("%s is not YAML like \"listen: 127.0.0.1:8080\", one setting on each line", whichLine.FindString(err.Error()))
	}
	layer := map[string]string{}
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		value, ok := scalar(raw[key])
		if !ok {
			problems = append(problems, fmt.Errorf("%q must be text, a number or a list of text", key))
		}
		layer[key] = value
	}
	return layer, errors.Join(problems...)
}

// scalar is the text of a YAML value.
func scalar(value any) (string, bool) {
	switch v := value.(type) {
	case nil:
		return "", true
	case string, int, bool, float64:
		return fmt.Sprint(v), true
	case time.Time: // YAML knows times of its own
		return v.Format(time.RFC3339), true
	case []any:
		items := make([]string, len(v))
		for i := range v {
			item, ok := v[i].(string)
			if !ok || strings.Contains(item, ",") {
				return "", false
			}
			items[i] = item
		}
		return strings.Join(items, ","), true
	}
	return "", false
}

func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, fileLimit+1))
	if err == nil && len(content) > fileLimit {
		err = fmt.Errorf("%s is larger than %d bytes", path, fileLimit)
	}
	return content, err
}

// keys are all that a layer may hold.
func keys() []string {
	var all []string
	for _, s := range settings {
		all = append(all, s.key())
		if s.fromF {
			all = append(all, s.key()+"_file")
		}
	}
	return all
}

// nearest is the key that takes the fewest edits.
func nearest(key string) string {
	key = strings.TrimPrefix(strings.ReplaceAll(strings.ToLower(key), "-", "_"), "sojourn_")
	return slices.MinFunc(keys(), func(a, b string) int { return edits(key, a) - edits(key, b) })
}

// edits is the Levenshtein distance of at most 64 bytes of each.
func edits(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
