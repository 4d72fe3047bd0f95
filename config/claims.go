package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// ClaimRule is one claim of one's own: CLAIM=SOURCE;SCOPE;PLACE+PLACE.
type ClaimRule struct {
	Claim, From, Scope string
	Places             []string // access_token, id_token, userinfo
}

const maxClaims = 32

var (
	claimName  = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{1,128}$`)
	claimFrom  = regexp.MustCompile(`^(groups|email|name|(attribute|hook)\.[A-Za-z0-9_.-]{1,64})$`)
	claimScope = regexp.MustCompile(`^[!#-:<-\[\]-~]{1,128}$`) // RFC 6749 §3.3, without ;
	places     = []string{"access_token", "id_token", "userinfo"}
	// ownClaims are what this server says itself: nobody maps anything in their place, in other letters neither, which readers
	// like Go's encoding/json take for them.
	ownClaims = []string{
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "sid", "acr", "amr", "auth_time", "azp", "nonce", "cnf", "act", "may_act",
		"at_hash", "c_hash", "s_hash", "sub_epoch", "client_epoch", "aud_epoch", "events", "active", "authorization_expires_in", "token_type", "token_introspection", "username",
		"name", "updated_at", "email", "email_verified",
	}
)

type claims struct{ to *[]ClaimRule }

// Set reads rules.
func (v claims) Set(s string) error {
	var all []ClaimRule
	for _, item := range list(s) {
		rule, err := readClaimRule(item)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(other ClaimRule) bool { return other.Claim == rule.Claim }) {
			return fmt.Errorf("the claim %s is there twice", rule.Claim)
		}
		all = append(all, rule)
	}
	if len(all) > maxClaims {
		return fmt.Errorf("there are %d claims; %d is the most", len(all), maxClaims)
	}
	*v.to = all
	return nil
}

func readClaimRule(item string) (ClaimRule, error) {
	head, tail, _ := strings.Cut(item, ";")
	rule := ClaimRule{Scope: "profile", Places: []string{"id_token", "userinfo"}}
	rule.Claim, rule.From, _ = strings.Cut(head, "=")
	scope, where, said := strings.Cut(tail, ";")
	if scope != "" {
		rule.Scope = scope
	}
	if said {
		rule.Places = strings.Split(where, "+")
	}
	odd := func(place string) bool { return !slices.Contains(places, place) }
	switch {
	case !claimName.MatchString(rule.Claim) || !claimFrom.MatchString(rule.From) || !claimScope.MatchString(rule.Scope) || slices.ContainsFunc(rule.Places, odd):
		return rule, fmt.Errorf("%q is not a claim like roles=attribute.roles;profile;access_token+id_token+userinfo "+
			"(made of groups, email, name, attribute.NAME or hook.NAME)", item)
	case slices.ContainsFunc(ownClaims, func(own string) bool { return strings.EqualFold(own, rule.Claim) }):
		return rule, fmt.Errorf("the claim %s is this server's own", rule.Claim)
	}
	return rule, nil
}

// String writes rules.
func (v claims) String() string {
	var all []string
	for _, r := range *v.to {
		all = append(all, r.Claim+"="+r.From+";"+r.Scope+";"+strings.Join(r.Places, "+"))
	}
	return strings.Join(all, ",")
}
