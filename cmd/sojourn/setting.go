package main

import "strings"

// settingFlag is a flag that overrides one setting.
type settingFlag struct {
	flags map[string]string
	name  string
}

// Set notes what was said; config judges it.
func (f settingFlag) Set(text string) error {
	f.flags[f.name] = text
	return nil
}

// String is what was said.
func (f settingFlag) String() string { return f.flags[f.name] }

// Type is how help calls the value.
func (settingFlag) Type() string { return "string" }

func flagName(setting string) string { return strings.ReplaceAll(setting, "_", "-") }
