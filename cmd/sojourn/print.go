package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// print says the result: v as JSON with --json, else the sentence.
func (p *program) print(v any, sentence string) error {
	if !p.json {
		_, err := fmt.Fprintln(p.out, sentence)
		return err
	}
	encoder := json.NewEncoder(p.out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// maxSecret bounds a password or a client's secret on the standard input, in bytes.
const maxSecret = 4 << 10

// readSecret reads a secret from the standard input: all of it but one line break at the end, which an echo or an editor
// puts there. An argument would be seen by everyone who lists processes.
func (p *program) readSecret() (string, error) {
	text, err := io.ReadAll(io.LimitReader(p.in, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("read the standard input: %w", err)
	}
	if len(text) > maxSecret {
		return "", errors.New("the standard input holds more than 4,096 bytes: give the secret alone")
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	return string(text), nil
}
