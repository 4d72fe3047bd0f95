package cluster

import (
	"cmp"
	"syscall"
)

// dieWithParent has the kernel end a program whose parent was killed.
func dieWithParent(of *syscall.SysProcAttr, by syscall.Signal) {
	of.Pdeathsig = cmp.Or(by, syscall.SIGKILL)
}
