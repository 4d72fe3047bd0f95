//go:build unix && !linux

package cluster

import "syscall"

// dieWithParent does nothing here: only Linux tells a program of its parent's death.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
