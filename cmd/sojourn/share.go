package main

import (
	"errors"
	"strconv"
	"strings"
)

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
