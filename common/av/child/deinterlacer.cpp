#include "common/av/child/deinterlacer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace mimicfleet::av::child {
namespace {

Status out_of_memory() {
  return {StatusCode::kResourceExhausted, "does not fit into the memory limit; scale it down"};
}

bool same_shape(const AVFrame& a, const AVFrame& b) {
  return a.data[0] != nullptr && a.width == b.width && a.height == b.height && a.format == b.format;
}

// One plane of one frame.
template <typename Sample>
struct Plane {
  const std::uint8_t* data;
  std::ptrdiff_t stride;
  [[nodiscard]] const Sample* row(int y) const {
    return reinterpret_cast<const Sample*>(data + std::ptrdiff_t{y} * stride);
  }
};

// How little two lines agree around x, if an edge leans by `lean` samples.
template <typename Sample>
int disagreement(const Sample* above, const Sample* below, int x, int lean) {
  int sum = 0;
  for (int i = x - 1; i <= x + 1; ++i) sum += std::abs(above[i + lean] - below[i - lean]);
  return sum;
}

// The sample between two lines, along the edge that is there.
template <typename Sample>
int along_edge(const Sample* above, const Sample* below, int x, int width) {
  int best = (above[x] + below[x]) / 2;
  if (x < 3 || x >= width - 3) return best;
  int least = disagreement(above, below, x, 0) - 1;  // upright unless another is truly better
  for (const int side : {-1, 1}) {
    for (int lean = side; std::abs(lean) <= 2; lean += side) {
      const int found = disagreement(above, below, x, lean);
      if (found >= least) break;
      least = found;
      best = (above[x + lean] + below[x - lean]) / 2;
    }
  }
  return best;
}

// A line of the second moment, as it would have been in the first. `y` has lines above and below.
template <typename Sample>
void fill_line(const Plane<Sample>& before, const Plane<Sample>& now, const Plane<Sample>& after,
               int y, int width, Sample* out) {
  const Sample* above = now.row(y - 1);
  const Sample* below = now.row(y + 1);
  const Sample* earlier = before.row(y);  // the moments just before and just after
  const Sample* later = now.row(y);
  const auto moved = [&](const Plane<Sample>& other, int x) {
    return (std::abs(other.row(y - 1)[x] - above[x]) + std::abs(other.row(y + 1)[x] - below[x])) /
           2;
  };
  for (int x = 0; x < width; ++x) {
    const int still = (earlier[x] + later[x]) / 2;
    const int motion =
        std::max({std::abs(earlier[x] - later[x]) / 2, moved(before, x), moved(after, x)});
    const int guess = along_edge(above, below, x, width);
    out[x] = static_cast<Sample>(std::clamp(guess, still - motion, still + motion));
  }
}

template <typename Sample>
void fill(const Plane<Sample>& before, const Plane<Sample>& now, const Plane<Sample>& after,
          int width, int height, int kept_parity, std::uint8_t* out, std::ptrdiff_t out_stride) {
  for (int y = 0; y < height; ++y) {
    auto* line = reinterpret_cast<Sample*>(out + std::ptrdiff_t{y} * out_stride);
    if (y % 2 == kept_parity || height == 1) {
      std::copy_n(now.row(y), width, line);
    } else if (y == 0 || y == height - 1) {
      std::copy_n(now.row(y == 0 ? 1 : y - 1), width, line);
    } else {
      fill_line(before, now, after, y, width, line);
    }
  }
}

}  // namespace

bool Deinterlacer::can_do(int pixel_format) {
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(pixel_format));
  constexpr std::uint64_t kOther = AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_PAL |
                                   AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_FLOAT |
                                   AV_PIX_FMT_FLAG_BE;
  if (format == nullptr || (format->flags & kOther) != 0 || format->comp[0].depth > 16)
    return false;
  if (format->nb_components == 1) return true;
  const bool planar = (format->flags & AV_PIX_FMT_FLAG_PLANAR) != 0;
  return planar &&
         av_pix_fmt_count_planes(static_cast<AVPixelFormat>(pixel_format)) == format->nb_components;
}

Result<Deinterlacer> Deinterlacer::create(Decoder& decoder, const AVFrame& first, bool enabled) {
  Deinterlacer made(decoder, enabled);
  if (!enabled) {
    made.first_ = &first;
    return made;
  }
  for (FramePtr* frame : {&made.before_, &made.now_, &made.after_, &made.whole_}) {
    frame->reset(av_frame_alloc());
    if (!*frame) return out_of_memory();
  }
  if (av_frame_ref(made.after_.get(), &first) < 0) return out_of_memory();
  return made;
}

Result<const AVFrame*> Deinterlacer::next() {
  if (!enabled_) {
    current_ = std::exchange(first_, nullptr);
    if (current_ == nullptr) {
      ASSIGN_OR_RETURN(current_, decoder_.next());
    }
    return current_;
  }
  std::swap(before_, now_);
  std::swap(now_, after_);
  RETURN_IF_ERROR(read_ahead());
  current_ = now_->data[0] == nullptr ? nullptr : now_.get();
  return current_;
}

Status Deinterlacer::read_ahead() {
  av_frame_unref(after_.get());
  if (over_) return {};
  ASSIGN_OR_RETURN(const AVFrame* const frame, decoder_.next());
  over_ = frame == nullptr;
  if (!over_ && av_frame_ref(after_.get(), frame) < 0) return out_of_memory();
  return {};
}

Result<const AVFrame*> Deinterlacer::whole() {
  if (!enabled_ || current_->interlaced_frame == 0 || !can_do(current_->format)) return current_;
  RETURN_IF_ERROR(prepare_output());
  const int planes = av_pix_fmt_count_planes(static_cast<AVPixelFormat>(now_->format));
  for (int plane = 0; plane < planes; ++plane) fill_plane(plane);
  return whole_.get();
}

Status Deinterlacer::prepare_output() {
  if (!same_shape(*whole_, *now_)) {
    av_frame_unref(whole_.get());
    whole_->width = now_->width;
    whole_->height = now_->height;
    whole_->format = now_->format;
    if (av_frame_get_buffer(whole_.get(), 0) < 0) return out_of_memory();
  }
  return av_frame_copy_props(whole_.get(), now_.get()) < 0 ? out_of_memory() : Status();
}

void Deinterlacer::fill_plane(int plane) {
  const AVPixFmtDescriptor& format = *av_pix_fmt_desc_get(static_cast<AVPixelFormat>(now_->format));
  const bool is_chroma = (plane == 1 || plane == 2) && format.nb_components >= 3;
  const int width = is_chroma ? AV_CEIL_RSHIFT(now_->width, format.log2_chroma_w) : now_->width;
  const int height = is_chroma ? AV_CEIL_RSHIFT(now_->height, format.log2_chroma_h) : now_->height;
  const AVFrame& before = same_shape(*before_, *now_) ? *before_ : *now_;
  const AVFrame& after = same_shape(*after_, *now_) ? *after_ : *now_;
  const auto run = [&]<typename Sample>(Sample) {
    const auto view = [plane](const AVFrame& frame) {
      return Plane<Sample>{frame.data[plane], frame.linesize[plane]};
    };
    fill(view(before), view(*now_), view(after), width, height, now_->top_field_first != 0 ? 0 : 1,
         whole_->data[plane], whole_->linesize[plane]);
  };
  if (format.comp[0].depth > 8) {
    run(std::uint16_t{});
  } else {
    run(std::uint8_t{});
  }
}

}  // namespace mimicfleet::av::child
