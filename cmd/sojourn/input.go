package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/mfa"
)

// setting gives cmd a flag for one of the settings.
func (p *program) setting(cmd *cobra.Command, name, help string) {
	cmd.PersistentFlags().Var(settingFlag{p.flags, name}, flagName(name), help)
}

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

// passwordFlag makes people say where the password comes from, so that the command never seems to hang for no reason.
func passwordFlag(cmd *cobra.Command) {
	cmd.Flags().Bool("password-stdin", false, "read the password from the standard input")
	must(cmd.MarkFlagRequired("password-stdin"))
}

// totpFlags say where the secret of an authenticator comes from.
type totpFlags struct {
	text  string // seen by everyone who lists processes
	stdin bool
}

func (t *totpFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&t.stdin, "totp-secret-stdin", false,
		"the standard input's second line is the Base32 secret of an authenticator that the person has")
	f.StringVar(&t.text, "totp-secret", "", "that secret itself: everyone who lists processes sees it, so use --totp-secret-stdin")
	cmd.MarkFlagsMutuallyExclusive("totp-secret", "totp-secret-stdin")
}

// readPassword reads a password from the standard input, and the secret of an authenticator if there is one.
func (p *program) readPassword(t totpFlags) (password string, secret []byte, err error) {
	if password, err = p.readSecret(); err != nil {
		return "", nil, err
	}
	flag := "--totp-secret"
	if t.stdin {
		flag = "--totp-secret-stdin"
		password, t.text, _ = strings.Cut(password, "\n")
		password = strings.TrimSuffix(password, "\r")
	} else if t.text != "" {
		fmt.Fprintln(p.err, "sojourn: warning: everyone who lists processes sees what --totp-secret says: use --totp-secret-stdin")
	}
	if t.text == "" && !t.stdin {
		return password, nil, nil
	}
	if secret, err = mfa.ParseSecret(t.text); err != nil {
		return "", nil, fmt.Errorf("%s: %w", flag, err)
	}
	return password, secret, nil
}

// one wants the one argument that the command's Use names, and says which where it is missing.
func one(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	line := argumentsOf(cmd)
	what, _, _ := strings.Cut(line, " ")
	got := "and there is none"
	if len(args) > 1 {
		got = fmt.Sprintf("not %d", len(args))
	}
	return fmt.Errorf("accepts 1 argument, %s, %s: %s %s", what, got, cmd.CommandPath(), line)
}

// two wants the two arguments that the command's Use names.
func two(cmd *cobra.Command, args []string) error {
	if len(args) == 2 {
		return nil
	}
	line := argumentsOf(cmd)
	what := strings.Fields(line)[:2]
	return fmt.Errorf("accepts 2 arguments, %s and %s, not %d: %s %s", what[0], what[1], len(args), cmd.CommandPath(), line)
}

// argumentsOf is a command's Use without its name.
func argumentsOf(cmd *cobra.Command) string {
	_, line, _ := strings.Cut(cmd.Use, " ")
	return line
}

func must(err error) {
	if err != nil {
		panic(err) // impossible: the flag was defined the line before
	}
}

// maxListed bounds one list.
const maxListed = 1000

// limitFlag adds --limit to a command that lists what there may be very much of.
func limitFlag(cmd *cobra.Command, limit *int) {
	*limit = 100
	cmd.Flags().IntVar(limit, "limit", *limit, "list so many, at most 1,000")
}

func checkLimit(limit int) error {
	if limit < 1 || limit > maxListed {
		return fmt.Errorf("--limit: between 1 and 1,000, not %d", limit)
	}
	return nil
}

// share is a flag between 0 and 1, said as 5% or 0.05.
type share float64

// Set reads what was said.
func (s *share) Set(text string) error {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return errors.New("say it like 5% or 0.05")
	}
	if percent {
		n /= 100
	}
	if !(n >= 0 && n <= 1) { // written so that NaN is refused
		return errors.New("it lies between 0% and 100%")
	}
	*s = share(n)
	return nil
}

// String is the share in per cent.
func (s *share) String() string { return strconv.FormatFloat(100*float64(*s), 'g', 6, 64) + "%" }

// Type is how help calls the value.
func (*share) Type() string { return "share" }

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
