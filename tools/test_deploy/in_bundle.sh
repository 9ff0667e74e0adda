# Runs on a bare system as a user without rights: unpacks the bundle, moves it and makes a video. /home/name has its name.
name=$(cat /home/name)
[ "$(id -u)" = 65534 ]
for program in gcc g++ cc python3 ffmpeg; do
  if command -v "$program" > /dev/null; then echo "$program is here: this system is not bare"; exit 1; fi
done
[ "$(wc -l < /proc/net/route)" -le 1 ] # only the heading: no way out

mkdir "/home/first place" "/home/second place of it"
tar -C "/home/first place" -xf /home/bundle.tar
mv "/home/first place/$name" "/home/second place of it/mimic fleet"
here="/home/second place of it/mimic fleet"
cd "$here"
sha256sum --quiet --check SHA256SUMS

cd /
env -i "$here/bin/coordinator" --version
env -i "$here/bin/worker" --help > /tmp/help
grep -q -- --coordinator /tmp/help
ln -s "$here/bin/coordinator" /home/linked
env -i /home/linked --version > /dev/null

# All libraries are the bundle's, but for the C library's own.
for program in coordinator worker media; do
  ldd "$here/libexec/mimicfleet/$program" > /tmp/libraries
  grep -vE "=> ($here/|/home/second place of it/mimic fleet/)|linux-vdso|/ld-linux-x86-64" /tmp/libraries | while read -r library arrow path rest; do
    case $library in
      libc.so.6 | libm.so.6 | libdl.so.2 | libpthread.so.0 | librt.so.1 | libutil.so.1 | libresolv.so.2 | libanl.so.1) ;;
      *) echo "$program takes $library from $path"; exit 1 ;;
    esac
  done
done

# What a worker opens on a machine with NVIDIA's driver finds all but that.
if [ -e "$here/lib/mimicfleet/libtorch_cuda.so" ]; then
  env -i LD_PRELOAD=libtorch_cuda.so:libtorch_cuda_linalg.so LD_TRACE_LOADED_OBJECTS=1 "$here/libexec/mimicfleet/worker" > /tmp/opened 2>&1
  grep -q "libcudnn.so.9 => $here/" /tmp/opened
  if grep "not found" /tmp/opened | grep -v "libcuda.so.1 => not found"; then exit 1; fi
fi
# There is no GPU here, and it says so.
code=0
env -i HOME=/tmp "$here/bin/worker" --insecure --coordinator tcp://127.0.0.1:9 --device cuda:0 > /tmp/said 2>&1 || code=$?
if [ "$code" = 0 ] || ! grep -q -- "--device cuda:0: no NVIDIA driver is installed here" /tmp/said; then
  echo "a worker without a GPU ends with $code: $(cat /tmp/said)"
  exit 1
fi

env -i "$here/bin/coordinator" submit --filter hello.mp4 --sample-stride 20 --steps 2 --seed 7 "$here/share/mimicfleet/examples/words" \
  --ref-image "$here/share/mimicfleet/examples/references/amber.png" --output-dir "/home/videos of mine"
env -i "$here/bin/coordinator" verify "/home/videos of mine"
env -i "$here/bin/coordinator" --version
