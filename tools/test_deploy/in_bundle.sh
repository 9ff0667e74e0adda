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

env -i "$here/bin/coordinator" submit --filter hello.mp4 --sample-stride 20 --steps 2 --seed 7 "$here/share/mimicfleet/examples/words" \
  --ref-image "$here/share/mimicfleet/examples/references/amber.png" --output-dir "/home/videos of mine"
env -i "$here/bin/coordinator" verify "/home/videos of mine"
env -i "$here/bin/coordinator" --version
