package weather

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Profile is weather of a kind: phases that follow each other in a ring. Each lasts somewhere between its bounds, and in each a
// request's fate is one throw of the dice.
type Profile struct {
	Name   string
	About  string
	Phases []Phase
}

// Phase is a time with odds. What is left of the odds passes.
type Phase struct {
	Name        string
	Least, Most time.Duration // Most 0: for ever
	LogIn       bool          // who presses the portal's button is through for the rest of it
	Odds        []Odd
}

// Odd is how many of a hundred requests have a fault, and between which bounds its After lies.
type Odd struct {
	Percent     int
	Do          Do
	Least, Most time.Duration
	AfterNext   bool
}

const (
	ms     = time.Millisecond
	second = time.Second
	minute = time.Minute
	hour   = time.Hour
)

// edge is where coverage begins and ends: what is sent arrives, and what comes back does not.
var edge = Phase{Name: "edge", Least: second, Most: 4 * second, Odds: []Odd{
	{Percent: 25, Do: DropAnswer},
	{Percent: 15, Do: DropRequest},
	{Percent: 10, Do: HalfAnswer},
	{Percent: 5, Do: LateRequest, Least: 5 * second, Most: 60 * second},
	{Percent: 30, Do: Delay, Least: 500 * ms, Most: 4 * second},
}}

// Profiles are all there are.
var Profiles = []Profile{
	{Name: "train", About: "tunnels of 5 to 60 s, with answers lost at their edges", Phases: []Phase{
		{Name: "open", Least: 20 * second, Most: 180 * second, Odds: []Odd{
			{Percent: 2, Do: DropAnswer},
			{Percent: 10, Do: Delay, Least: 100 * ms, Most: 2 * second},
		}},
		edge,
		{Name: "tunnel", Least: 5 * second, Most: 60 * second, Odds: []Odd{
			{Percent: 60, Do: DropRequest},
			{Percent: 40, Do: SilentRequest, Least: 5 * second, Most: 60 * second},
		}},
		edge,
	}},
	{Name: "lift", About: "half of the answers lost, for 3 to 15 s at a time", Phases: []Phase{
		{Name: "open", Least: 10 * second, Most: 60 * second},
		{Name: "doors shut", Least: 3 * second, Most: 15 * second, Odds: []Odd{
			{Percent: 25, Do: DropAnswer},
			{Percent: 15, Do: SilentAnswer, Least: 3 * second, Most: 15 * second},
			{Percent: 10, Do: HalfAnswer},
			{Percent: 10, Do: DropRequest},
		}},
	}},
	{Name: "portal", About: "a captive portal until someone presses its button, or 20 to 90 s have gone", Phases: []Phase{
		{Name: "captive", Least: 20 * second, Most: 90 * second, LogIn: true, Odds: []Odd{
			{Percent: 50, Do: Portal},
			{Percent: 25, Do: PortalRedirect},
			{Percent: 20, Do: Garbage},
			{Percent: 5, Do: BadGateway},
		}},
		{Name: "online", Least: 60 * second, Most: 300 * second, Odds: []Odd{
			{Percent: 2, Do: Portal},
			{Percent: 2, Do: TooMany, Least: second, Most: 5 * second},
			{Percent: 2, Do: Unavailable, Least: second, Most: 5 * second},
		}},
	}},
	// What is late here comes before the token that followed is used, as the network of a sleeping phone has it: a request that
	// it took to bed arrives when it wakes, beside the one that it sends then.
	{Name: "night", About: "a device that sleeps for 1 to 8 h and wakes for 20 to 60 s", Phases: []Phase{
		{Name: "awake", Least: 20 * second, Most: 60 * second, Odds: []Odd{
			{Percent: 15, Do: LateDuplicate, Least: minute, Most: 9 * minute},
			{Percent: 10, Do: DelayAnswer, Least: 2 * second, Most: 20 * second},
			{Percent: 5, Do: DropAnswer},
		}},
		{Name: "asleep", Least: hour, Most: 8 * hour, Odds: []Odd{
			{Percent: 40, Do: DropRequest},
			{Percent: 20, Do: DropAnswer},
			{Percent: 15, Do: LateRequest, Least: second, Most: minute, AfterNext: true},
			{Percent: 10, Do: DelayAnswer, Least: 10 * second, Most: 60 * second},
			{Percent: 5, Do: LateDuplicate, Least: minute, Most: 9 * minute},
		}},
	}},
	// Old tokens, on purpose: without a key no server can tell them from a thief's.
	{Name: "late", About: "requests delivered again, or for the first time, after the next refresh", Phases: []Phase{
		{Name: "late", Odds: []Odd{
			{Percent: 10, Do: LateDuplicate, Most: 30 * second, AfterNext: true},
			{Percent: 5, Do: LateDuplicate, Least: 5 * second, Most: 5 * minute},
			{Percent: 5, Do: LateRequest, Least: 31 * second, Most: 5 * minute},
			{Percent: 5, Do: Twice},
		}},
	}},
	{Name: "3g", About: "0.2 to 1.5 s on the way there or back, and 6 in a hundred lost", Phases: []Phase{
		{Name: "3g", Odds: []Odd{
			{Percent: 3, Do: DropRequest},
			{Percent: 2, Do: DropAnswer},
			{Percent: 1, Do: HalfAnswer},
			{Percent: 47, Do: Delay, Least: 200 * ms, Most: 1500 * ms},
			{Percent: 47, Do: DelayAnswer, Least: 200 * ms, Most: 1500 * ms},
		}},
	}},
}

// Names are what --profile takes.
func Names() []string {
	names := make([]string, len(Profiles))
	for i, p := range Profiles {
		names[i] = p.Name
	}
	return names
}

func profileOf(name string) (Profile, error) {
	if name == "" {
		return Profile{Phases: []Phase{{}}}, nil
	}
	i := slices.IndexFunc(Profiles, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, fmt.Errorf("profile: one of %s, not %q", strings.Join(Names(), ", "), name)
	}
	return Profiles[i], nil
}
