// Package config reads the settings: defaults, a YAML file, the environment, flags, each beating the one before.
//
// Its one rule: every problem is told at once, each with the variable's name and what would be right, and no secret ever
// leaves through String, a log or an error.
//
// It must not import anything of ours; only cmd and server see it, every other package takes plain values. It is the home of
// YAML.
package config
