#!/usr/bin/env bash
# Builds what a release hands out, from a clean clone of HEAD, twice, and compares the bytes.
#
#   deploy/release.sh v0.1.0             the tag v0.1.0 is at HEAD: dist/ has the files to publish
#   deploy/release.sh --dry-run          the same for HEAD as it is, under the version that docs/releasing.md prepares
#
# TARGETS narrows what is built ("linux/amd64 linux/arm64"). FRESH=1 gives the second build an empty build cache (minutes a target).
# IMAGES=1 also builds the container images, with docker or buildah. It takes Go, git, tar and gzip, and publishes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
dry=
if [ "${1:-}" = --dry-run ]; then dry=1; shift; fi
version=${1:-}
[ -n "$version" ] || { [ -n "$dry" ] && version=$(sed -n 's/^The next version is `\(v[^`]*\)`.*/\1/p' docs/releasing.md); }
[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
targets=${TARGETS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}
sbom=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

if [ -n "$(git status --porcelain)" ]; then
  [ -n "$dry" ] || { echo "release: the working tree has changes that are not committed"; exit 1; }
  echo "release: changes that are not committed are left out"
fi
if [ -z "$dry" ]; then
  [ "$(git rev-parse -q --verify "refs/tags/$version^{commit}" || true)" = "$(git rev-parse HEAD)" ] ||
    { echo "release: $version is not a tag at HEAD: git tag -a $version"; exit 1; }
  grep -q "^## $version " CHANGELOG.md || { echo "release: CHANGELOG.md has no section $version, see docs/releasing.md"; exit 1; }
fi

export CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-mod=readonly GOWORK=off
commit=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct "$commit")
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
rm -rf dist/release
mkdir -p dist/release
dist=$PWD/dist/release

# binaries CLONE OUT: builds every target from a clean clone of HEAD, whose tag Go takes the version from.
binaries() {
  git clone -q . "$1"
  git -C "$1" checkout -q "$commit"
  git -C "$1" tag -f "$version" >/dev/null
  local t
  for t in $targets; do
    mkdir -p "$2/${t/\//_}"
    (cd "$1" && GOOS=${t%/*} GOARCH=${t#*/} go build -trimpath -buildvcs=true -tags nomsgpack -ldflags '-s -w' \
      -o "$2/${t/\//_}/rehead$([ "${t%/*}" != windows ] || echo .exe)" ./cmd/rehead)
  done
}

echo "== $version: building $targets"
binaries "$work/first" "$work/one"
echo '== again, elsewhere'
if [ -n "${FRESH:-}" ]; then
  GOCACHE=$work/cache binaries "$work/elsewhere/second" "$work/two"
else
  binaries "$work/elsewhere/second" "$work/two"
fi
diff -r "$work/one" "$work/two" || { echo 'release: two builds differ'; exit 1; }
echo 'two builds have the same bytes'

for binary in "$work"/one/*/*; do # each says which version it is
  go version -m "$binary" | grep -qP "^\tmod\t\S+\t\Q$version\E(\t|$)" || { echo "release: ${binary#"$work"/one/} is not of $version"; exit 1; }
done

echo '== completions, man pages'
beside=$work/beside
mkdir -p "$beside/completions" "$beside/man"
native=$work/native
(cd "$work/first" && go build -trimpath -tags nomsgpack -o "$native" ./cmd/rehead)
for shell in bash zsh fish powershell; do "$native" completion $shell >"$beside/completions/rehead.$shell"; done
(cd "$work/first" && go test -vet=off -count=1 -run '^TestManPages$' ./cmd/rehead -man "$beside/man" >/dev/null)
for name in LICENSE README.md CHANGELOG.md cmd/rehead/licences/third_party.txt; do cp "$work/first/$name" "$beside"; done

echo '== archives, bills of materials'
for t in $targets; do
  name=rehead_${version#v}_${t/\//_}
  cp "$work/one/${t/\//_}"/rehead* "$beside"
  tar -C "$beside" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w -cf - . |
    gzip -9n >"$dist/$name.tar.gz"
  rm "$beside"/rehead*
  (cd "$work/first" && GOFLAGS=-mod=mod go run "$sbom" bin -json -noserial -output "$dist/$name.cdx.json" "$work/one/${t/\//_}"/rehead*)
done
# the time of day is the only thing in them that a second run would change
sed -i "s/\"timestamp\": \"[^\"]*\"/\"timestamp\": \"$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)\"/" "$dist"/*.cdx.json
(cd "$dist" && sha256sum ./*.tar.gz ./*.cdx.json | sed 's,\./,,' >SHA256SUMS)
(cd "$dist" && sha256sum --quiet -c SHA256SUMS && ls -l)

if [ -n "${IMAGES:-}" ]; then
  echo '== images'
  tool=$(command -v buildah || command -v docker) || { echo 'release: neither docker nor buildah'; exit 1; }
  for arch in amd64 arm64; do
    cp "$work/one/linux_$arch/rehead" "dist/rehead-$arch"
    case $tool in
    *buildah) build=("$tool" bud --isolation chroot) ;;
    *) build=("$tool" build) ;;
    esac
    "${build[@]}" -q --platform "linux/$arch" --build-arg PER_ARCH=1 -t "rehead:${version#v}-$arch" .
  done
fi
