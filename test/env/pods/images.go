package pods

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// images are the images that were pulled, unpacked in a folder.
type images struct{ dir string }

// entryPoint is the program of chartgate's image.
const entryPoint = "usr/local/bin/chartgate"

// program pulls an image over HTTP, if it is not there, and returns the path of its program.
func (i images) program(ctx context.Context, image string) (string, error) {
	dir := filepath.Join(i.dir, fmt.Sprintf("image-%x", sha256.Sum256([]byte(image)))[:22])
	path := filepath.Join(dir, entryPoint)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	crane, err := cluster.Tool("crane")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	archive := dir + ".tar"
	for _, command := range []cluster.Command{
		{Name: crane, Args: []string{"export", "--insecure", "--platform=linux/amd64", image, archive}, Env: []string{"DOCKER_CONFIG=" + i.dir}},
		{Name: "tar", Args: []string{"-xf", archive, "-C", dir}},
	} {
		if _, err := command.Run(ctx); err != nil {
			return "", fmt.Errorf("pull the image: %s", strings.TrimSpace(err.Error()))
		}
	}
	return path, os.Remove(archive)
}
