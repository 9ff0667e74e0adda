#include "worker/artefacts/store.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::artefacts {
namespace {

const jobs::NumericsClass kNumerics{"libtorch-2.11.0", "cpu-avx2", "fp32", 1};

class ArtefactStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = ::testing::TempDir() + "artefacts.XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::unique_ptr<ArtefactStore> open(std::uint64_t capacity_bytes = 1 << 20) const {
    auto store = ArtefactStore::open(folder_, capacity_bytes);
    EXPECT_TRUE(store.ok()) << store.status();
    return std::move(store).value();
  }
  [[nodiscard]] std::string file_of(const Digest& content) const {
    return folder_ + "/" + content.hex() + ".artefact";
  }

  std::string folder_;
};

TEST_F(ArtefactStoreTest, WhatWasPutIsReadAgainByTheNextProcess) {
  const auto put = open()->put(sha256("key"), kNumerics, "the latents");
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(put->content, sha256("the latents"));
  const auto store = open();
  EXPECT_EQ(store->read(put->content).value_or(""), "the latents");
  const auto list = store->list(10);
  ASSERT_EQ(list.size(), 1);
  EXPECT_EQ(list[0].key, sha256("key"));
  EXPECT_EQ(list[0].numerics, kNumerics);
  EXPECT_EQ(list[0].size_bytes, 11);
}

TEST_F(ArtefactStoreTest, ADamagedArtefactIsNotGivenOutAndRemoved) {
  const auto store = open();
  const auto put = store->put(sha256("key"), kNumerics, "the latents");
  std::fstream(file_of(put->content), std::ios::in | std::ios::out | std::ios::ate)
          .seekp(-3, std::ios::end)
      << "x";
  const auto read = store->read(put->content);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.status().code(), StatusCode::kCorruption);
  EXPECT_EQ(store->read(put->content).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(file_of(put->content)));
}

TEST_F(ArtefactStoreTest, FilesThatAreNoWholeArtefactsAreRemovedAtStart) {
  const auto put = open()->put(sha256("key"), kNumerics, "the latents");
  std::filesystem::resize_file(file_of(put->content), 20);
  std::ofstream(file_of(sha256("other"))) << "MFA1\xff\xff\xff\xff";
  std::ofstream(folder_ + "/.mimicfleet-0123456789abcdef0123456789abcdef.part") << "half";
  std::ofstream(folder_ + "/unknown.txt") << "left alone";
  EXPECT_TRUE(open()->list(10).empty());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(ArtefactStoreTest, TheArtefactThatWasNotUsedForLongestGoesFirst) {
  const auto store = open(10);
  const auto first = store->put(sha256("1"), kNumerics, "1111");
  const auto second = store->put(sha256("2"), kNumerics, "2222");
  ASSERT_TRUE(store->read(first->content).ok());
  ASSERT_TRUE(store->put(sha256("3"), kNumerics, "3333").ok());
  EXPECT_TRUE(store->read(first->content).ok());
  EXPECT_FALSE(store->read(second->content).ok());
  EXPECT_EQ(store->size_bytes(), 8);
  EXPECT_EQ(store->put(sha256("4"), kNumerics, "12345678901").status().code(),
            StatusCode::kResourceExhausted);
}

TEST_F(ArtefactStoreTest, ADamagedArtefactIsGivenToAPeerOnceAtMost) {
  const auto store = open();
  const auto put = store->put(sha256("key"), kNumerics, "the latents");
  std::fstream(file_of(put->content), std::ios::in | std::ios::out | std::ios::ate)
          .seekp(-3, std::ios::end)
      << "x";
  EXPECT_TRUE(store->read_piece(put->content, 0, 5).ok());
  EXPECT_TRUE(store->read_piece(put->content, 5, 100).ok());
  EXPECT_EQ(store->read_piece(put->content, 0, 5).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(store->has(put->content));
}

TEST_F(ArtefactStoreTest, PiecesAreCutAtTheEnd) {
  const auto store = open();
  const auto put = store->put(sha256("key"), kNumerics, "0123456789");
  const auto piece = store->read_piece(put->content, 7, 100);
  ASSERT_TRUE(piece.ok()) << piece.status();
  EXPECT_EQ(piece->bytes, "789");
  EXPECT_EQ(piece->size_bytes, 10);
  EXPECT_EQ(store->read_piece(put->content, 11, 1).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store->read_piece(sha256("x"), 0, 1).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace mimicfleet::artefacts
