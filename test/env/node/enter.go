package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/chartgate/chartgate/test/env/process"
)

// inside is the environment variable that holds the folder of the node. Who has it runs inside of
// the node's namespaces.
const inside = "CHARTGATE_NODE"

// pidFile holds the process inside, by the number that it has outside.
const pidFile = "pid"

// Enter starts this program again, with the same arguments, in network, mount and process namespaces
// of its own, and ends with its exit code: Enter returns only there. No port, address, packet
// filter, mount, /run or /var/lib of this machine is touched, and every process that is started
// inside ends with the program.
//
// Where a node cannot run, it says why, and ends with code 1 if $CI is set, otherwise with 0.
func Enter() {
	if dir := os.Getenv(inside); dir != "" {
		if err := prepare(dir); err != nil {
			fmt.Fprintln(os.Stderr, "prepare the namespaces of the node:", err)
			os.Exit(1)
		}
		return
	}
	if err := possible(); err != nil {
		if os.Getenv("CI") != "" {
			fmt.Fprintln(os.Stderr, "a Kubernetes node cannot run here:", err)
			os.Exit(1)
		}
		fmt.Fprintln(os.Stderr, "SKIPPED: a Kubernetes node cannot run here:", err)
		os.Exit(0)
	}
	code, err := enter()
	if err != nil {
		fmt.Fprintln(os.Stderr, "run in the namespaces of the node:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// possible says what is missing.
func possible() error {
	if os.Geteuid() != 0 {
		return errors.New("namespaces, mounts and cgroups need root")
	}
	command := exec.Command("true")
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if err := command.Run(); err != nil {
		return fmt.Errorf("new namespaces are not allowed: %w", err)
	}
	return nil
}

const namespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID

// enter runs this program inside, and removes what a node leaves behind on the machine.
func enter() (code int, err error) {
	dir, err := os.MkdirTemp("", "chartgate-node-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, removeCgroups(filepath.Base(dir)), os.RemoveAll(dir)) }()

	temporary := filepath.Join(dir, "tmp")
	if err := os.Mkdir(temporary, 0o700); err != nil {
		return 1, err
	}
	// The program inside gets an interrupt from the terminal, too, and ends. Other signals are handed on.
	signal.Ignore(os.Interrupt)
	// Pdeathsig is about the thread that starts the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Args[0] = os.Args[0]
	command.Env = append(os.Environ(), inside+"="+dir, "TMPDIR="+temporary)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return 1, err
	}
	defer handOn(command.Process)()
	err = os.WriteFile(filepath.Join(dir, pidFile), []byte(strconv.Itoa(command.Process.Pid)), 0o600)
	err = errors.Join(command.Wait(), err)
	if _, ended := errors.AsType[*exec.ExitError](err); ended {
		return max(command.ProcessState.ExitCode(), 1), nil
	}
	return 0, err
}

// handOn hands on what tells this program to end, so that it is still there to remove what the program
// inside leaves behind. It returns what stops it.
func handOn(inside *os.Process) (stop func()) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	go func() {
		for signal := range told {
			_ = inside.Signal(signal) // it may have ended
			time.AfterFunc(process.Patience, func() { _ = inside.Kill() })
		}
	}()
	return func() {
		signal.Stop(told)
		close(told)
	}
}
